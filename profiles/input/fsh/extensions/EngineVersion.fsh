Extension: EngineVersion
Id: engine-version
Title: "Engine version"
Description: "Version of the software that made the assessment."
Context: RiskAssessment
* insert Published
* ^purpose = "The contained Device says it too. Here it can be read without following a reference, as repeating an assessment needs both versions."
* value[x] 1..1
* value[x] only string
