Extension: Robustness
Id: robustness
Title: "Robustness"
Description: "How much it would take for another source pattern to come first."
Context: RiskAssessment
* insert Published
* ^purpose = "An interval covers the uncertainty of the numbers; this one covers the answers nobody has given yet."
* value[x] 1..1
* value[x] only Coding
* value[x] from $robustness (required)
* value[x] ^short = "robust | moderate | fragile"
