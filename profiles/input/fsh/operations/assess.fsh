Instance: assess
InstanceOf: OperationDefinition
Usage: #definition
* insert Operation(assess, [[Assess hip-region pain]], true, true, true, false)
* name = "Assess"
* description = "Weighs the findings of one patient between spine, sacroiliac joint, hip and other sources of hip-region pain, and returns one RiskAssessment. Decision support for clinicians; not a diagnosis. Equal input with an equal version gives equal predictions."
* comment = "The operation stores nothing. A QuestionnaireResponse, Observation or Bundle may be posted bare, or in Parameters. On the address of a type, what is to be assessed must be of that type. On the address of a stored resource the body is empty, or Parameters with options and further resources. A relative reference to a Patient means one that is stored on this server: if there is one, and none is sent along, age and sex are taken from it. No reference to another server is followed. In prediction, probabilityDecimal is a percentage from 0 to 100, as FHIR R4 defines it, never a fraction. Faults come back as an OperationOutcome that lists all of them."
* resource[0] = #Observation
* resource[+] = #QuestionnaireResponse
* insert In(questionnaire-response, QuestionnaireResponse, 0, *, [[Answers to the form of this server, or to another one whose codes correspond to ours.]])
* insert In(observation, Observation, 0, *, [[One finding: examination, symptom, measurement or image.]])
* insert In(condition, Condition, 0, *, [[A known or previous problem of the patient.]])
* insert In(patient, Patient, 0, 1, [[Age and sex; they outrank what the form says.]])
* insert In(bundle, Bundle, 0, *, [[A Bundle of any type that holds any of the above.]])
* insert In(resource, Resource, 0, *, [[Any of the above under a name that promises no type.]])
* insert In(earlier-assessment, RiskAssessment, 0, *, [[An earlier RiskAssessment of this service for the same patient. The newest counts: its answers hold where nothing new is said, the new assessment names it as its parent and says what changed and why.]])
* insert In(stored, Reference, 0, *, [[A resource stored on this server, to be read like one that is sent: a form, an Observation, a Condition, the Patient, an earlier RiskAssessment; as Type/id, or Type/id/_history/version for a former version. Everything read from the store is named in basis with its version.]])
* parameter[=].targetProfile[0] = "http://hl7.org/fhir/StructureDefinition/QuestionnaireResponse"
* parameter[=].targetProfile[+] = "http://hl7.org/fhir/StructureDefinition/Observation"
* parameter[=].targetProfile[+] = "http://hl7.org/fhir/StructureDefinition/Condition"
* parameter[=].targetProfile[+] = "http://hl7.org/fhir/StructureDefinition/Patient"
* parameter[=].targetProfile[+] = "http://hl7.org/fhir/StructureDefinition/RiskAssessment"
* insert In(subject, Reference, 0, 1, [[The patient to assess, needed only where the input speaks of several.]])
* parameter[=].targetProfile = "http://hl7.org/fhir/StructureDefinition/Patient"
* insert In(encounter, Reference, 0, 1, [[The encounter the assessment belongs to, copied to the answer.]])
* parameter[=].targetProfile = "http://hl7.org/fhir/StructureDefinition/Encounter"
* insert In(care-plan, boolean, 0, 1, [[True also asks for a CarePlan (draft, proposal), contained in the answer: every item of the plan with its reasons, dosage, evidence and source, the draft requests it refers to, and what is withheld and why. The extension plan-item then holds all items instead of the leading one of each kind. May also stand in the address as ?care-plan=true.]])
* insert In(what-if, boolean, 0, 1, [[True also asks what would change the answer: for each unanswered finding the source patterns under each of its results, the smallest sets of results that would change the leading pattern or the first referral, and how robust the answer is. May also stand in the address as ?what-if=true.]])
* insert Out(return, RiskAssessment, 1, 1, [[The RiskAssessment, by the profile spine-hip-risk-assessment. Referrals it recommends are contained as draft proposals.]])
