Extension: SourcesDiffer
Id: sources-differ
Title: "Sources differ"
Description: "A finding among the answers that is taught one way and was measured another, and what the sources say of it."
Context: RiskAssessment
* insert Published
* ^purpose = "Disagreement between publications is part of how far an answer can be trusted; R4 has no element for it."
* extension contains
    finding 1..1 and
    text 1..1
* insert CodedPart(extension[finding], code, $finding, [[The finding]])
* insert Part(extension[text], string, [[What the sources say]])
