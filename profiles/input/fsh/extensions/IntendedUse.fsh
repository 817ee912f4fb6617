Extension: IntendedUse
Id: intended-use
Title: "Intended use"
Description: "Whom the assessment is for and what it is not, as a sentence that travels with every answer."
Context: RiskAssessment
* insert Published
* ^purpose = "A statement of use belongs to the answer, not only to a page about the service: an assessment is copied, stored and read elsewhere."
* value[x] 1..1
* value[x] only string
