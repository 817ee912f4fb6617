Extension: Coverage
Id: coverage
Title: "Coverage"
Description: "Share of what the whole form could tell that the given answers hold, from 0 to 1."
Context: RiskAssessment
* insert Published
* ^purpose = "Tells an assessment on three answers from one on sixty. R4 has no measure of how complete the input of an assessment was."
* value[x] 1..1
* value[x] only decimal
* value[x] obeys hs-fraction
