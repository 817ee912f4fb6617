Extension: UndecidedReason
Id: undecided
Title: "Cannot tell yet"
Description: "A reason why the answer is that it cannot be told yet. Present only then; the assessment is preliminary."
Context: RiskAssessment
* insert Published
* ^purpose = "status = preliminary does not say why. R4 has no element for the reason of a status in RiskAssessment."
* value[x] 1..1
* value[x] only CodeableConcept
* value[x] from $undecided (required)
* value[x] ^short = "Why it cannot be told yet"
