Instance: RiskAssessment-basis
InstanceOf: SearchParameter
Usage: #definition
* insert Definition
* url = "https://hipspine.example/fhir/SearchParameter/RiskAssessment-basis"
* name = "RiskAssessmentBasis"
* description = "The inputs an assessment rests on: finds the assessments made from a form or an observation."
* purpose = "R4 defines no search by RiskAssessment.basis, and going from an answer in the record to the assessments that used it is what a record system asks first."
* code = #basis
* base = #RiskAssessment
* type = #reference
* expression = "RiskAssessment.basis"
* xpath = "f:RiskAssessment/f:basis"
* xpathUsage = #normal
* target[0] = #QuestionnaireResponse
* target[+] = #Observation
* target[+] = #Condition
* target[+] = #Patient
* target[+] = #RiskAssessment
* multipleOr = true
* multipleAnd = true
