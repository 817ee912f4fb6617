Extension: MissingFinding
Id: missing-finding
Title: "Findings missing"
Description: "The findings nobody answered, the most informative first."
Context: RiskAssessment
* insert Published
* ^purpose = "dataAbsentReason stands on an element that is there. Here the absent answers themselves are the information."
* extension contains
    finding 1..*
* insert CodedPart(extension[finding], code, $finding, [[A finding without an answer]])
