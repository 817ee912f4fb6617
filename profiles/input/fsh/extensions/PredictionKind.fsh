Extension: PredictionKind
Id: prediction-kind
Title: "Kind of prediction"
Description: "Whether a prediction is one of the source patterns, which exclude each other and sum to 100 percent, or the probability of one condition by itself."
Context: RiskAssessment.prediction
* insert Published
* ^purpose = "R4 does not say whether the predictions of one assessment exclude each other. Both kinds stand here in one list, and adding up the wrong ones would mislead."
* value[x] 1..1
* value[x] only code
* value[x] from $prediction-kind (required)
* value[x] ^short = "partition | marginal"
