Profile: ExamFinding
Parent: Observation
Id: exam-finding
Title: "Exam finding"
Description: "One finding of history, examination or imaging: what was looked for, on which side and level, and its result. A finding that was not looked for has no value but a dataAbsentReason; it is never sent as absent."
* insert Published
* obeys hs-result
* category ^short = "exam, survey, imaging or laboratory, where it is known"
* code from $finding (preferred)
* code ^short = "The finding: our code, or one of SNOMED CT or LOINC that our concept maps translate"
* subject 1..1
* subject only Reference(Patient)
* effective[x] only dateTime or Period or instant
* value[x] only CodeableConcept or Quantity or boolean or integer
* valueCodeableConcept from $answer (preferred)
* valueCodeableConcept ^short = "The result: present, absent, or one of the answers of the finding"
* valueQuantity ^short = "The result of a measurement, in a UCUM unit"
* valueQuantity.value 1..1
* valueQuantity.system 1..1
* valueQuantity.system = $ucum
* valueQuantity.code 1..1
* interpretation ^short = "POS, NEG or IND of a provocation test; must not contradict the value"
* bodySite ^short = "Region, with the side as a coding of its own or inside the code (left hip)"
* derivedFrom ^short = "The form it was extracted from; it then counts once"
* component ^slicing.discriminator.type = #pattern
* component ^slicing.discriminator.path = "code"
* component ^slicing.rules = #open
* component contains
    laterality 0..1 and
    level 0..1
* component[laterality] ^short = "The side it is about"
* component[laterality].code = https://hipspine.example/fhir/CodeSystem/observation-part#laterality
* component[laterality].value[x] 1..1
* component[laterality].value[x] only CodeableConcept
* component[laterality].value[x] from $side (preferred)
* component[level] ^short = "The spinal level it is about"
* component[level].code = https://hipspine.example/fhir/CodeSystem/observation-part#spinal-level
* component[level].value[x] 1..1
* component[level].value[x] only CodeableConcept
* component[level].value[x] from $spinal-level (required)
