Invariant: hs-model-card
Description: "The model card is named: modelCardDescription of AI Transparency on FHIR, a reference to a DocumentReference."
Expression: "extension.where(url = 'http://hl7.org/fhir/uv/aitransparency/StructureDefinition/aitransparency.modelCardDescription').value.exists()"
Severity: #error
