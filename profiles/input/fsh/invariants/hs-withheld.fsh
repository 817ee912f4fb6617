Invariant: hs-withheld
Description: "What is withheld says why; what is proposed says how well it is supported."
Expression: "(doNotPerform = true and statusReason.exists()) or (doNotPerform = false and extension.where(url = 'https://hipspine.example/fhir/StructureDefinition/plan-evidence').exists())"
Severity: #error
