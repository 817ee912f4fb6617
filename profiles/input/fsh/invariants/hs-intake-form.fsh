Invariant: hs-intake-form
Description: "The form is the intake form of this service."
Expression: "$this = 'https://hipspine.example/fhir/Questionnaire/hip-spine-intake' or $this.startsWith('https://hipspine.example/fhir/Questionnaire/hip-spine-intake|')"
Severity: #error
