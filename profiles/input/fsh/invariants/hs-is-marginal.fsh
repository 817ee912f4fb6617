Invariant: hs-is-marginal
Description: "A condition is labelled as marginal."
Expression: "extension.where(url = 'https://hipspine.example/fhir/StructureDefinition/prediction-kind' and value = 'marginal').exists()"
Severity: #error
