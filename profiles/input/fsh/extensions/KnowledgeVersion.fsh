Extension: KnowledgeVersion
Id: knowledge-version
Title: "Knowledge version"
Description: "Version of the tables of numbers behind the assessment, with a digest of their content."
Context: RiskAssessment
* insert Published
* ^purpose = "Numbers change apart from software. With equal input and both versions equal, the predictions are equal."
* value[x] 1..1
* value[x] only string
