Extension: Evidence
Id: evidence
Title: "Evidence"
Description: "A source behind the numbers of this assessment: as cited, whether it was read, and which rows of the knowledge tables come from it."
Context: RiskAssessment
* insert Published
* ^purpose = "workflow-relatedArtifact of HL7 could hold the citation, but neither the rows that rest on it nor that a number was assigned by judgement."
* extension contains
    citation 1..1 and
    kind 1..1 and
    row 0..*
* insert Part(extension[citation], RelatedArtifact, [[The source]])
* insert CodedPart(extension[kind], code, $evidence-kind, [[seen | recalled | expert]])
* insert Part(extension[row], id, [[Row of the knowledge tables]])
