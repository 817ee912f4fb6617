Extension: ModelLimits
Id: model-limits
Title: "Limits of the model"
Description: "What the figures of this assessment cannot say."
Context: RiskAssessment
* insert Published
* ^purpose = "Part of it depends on the case (how much probability lies at the edge of the model), so a page about the model cannot hold it."
* value[x] 1..1
* value[x] only string
