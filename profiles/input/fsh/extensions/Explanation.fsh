Extension: Explanation
Id: explanation
Title: "Explanation of a prediction"
Description: "How the answers lead from the probability before to the probability after, in natural log-odds: the prior plus all contributions equals the posterior to 1e-6. Given for the leading predictions."
Context: RiskAssessment.prediction
* insert Published
* ^purpose = "prediction.rationale is a sentence. A clinician who doubts a figure needs every contribution, and the row of the tables it comes from, as data."
* insert Contributions
