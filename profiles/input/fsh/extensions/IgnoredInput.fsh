Extension: IgnoredInput
Id: ignored-input
Title: "Input ignored"
Description: "A part of the input that did not enter the calculation, where it stands and why."
Context: RiskAssessment
* insert Published
* ^purpose = "An OperationOutcome beside the answer would be lost once the assessment is stored, and with it the knowledge that something was left out."
* extension contains
    what 1..1 and
    where 1..1 and
    reason 1..1
* insert Part(extension[what], string, [[What it is]])
* insert Part(extension[where], string, [[FHIRPath of its place in the input]])
* insert Part(extension[reason], string, [[Why it was left out]])
