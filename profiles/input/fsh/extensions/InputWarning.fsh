Extension: InputWarning
Id: warning
Title: "Warning about the input"
Description: "Something about the input that the reader of the result should know, such as answers that contradict each other."
Context: RiskAssessment
* insert Published
* ^purpose = "As for ignored-input: it has to stay with the assessment for as long as that is kept."
* extension contains
    message 1..1 and
    where 0..1
* insert Part(extension[message], string, [[The warning]])
* insert Part(extension[where], string, [[FHIRPath of its place in the input]])
