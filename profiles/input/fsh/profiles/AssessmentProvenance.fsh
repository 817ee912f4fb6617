Profile: AssessmentProvenance
Parent: Provenance
Id: assessment-provenance
Title: "Provenance of an assessment"
Description: "How an assessment came about: made by the engine, when, from which inputs, and by which model."
* insert Published
* target 1..*
* target ^short = "The assessment"
* recorded ^short = "When it was made"
* reason 1..*
* reason ^slicing.discriminator.type = #pattern
* reason ^slicing.discriminator.path = "$this"
* reason ^slicing.rules = #open
* reason contains madeByMachine 1..1
* reason[madeByMachine] = $observation-value#AIAST
* agent.who only Reference(Practitioner or PractitionerRole or RelatedPerson or Patient or Device or Organization)
* agent obeys hs-agent
* agent.type 1..1
* agent ^short = "The engine"
* entity 1..*
* entity ^short = "Every input, and the model card"
