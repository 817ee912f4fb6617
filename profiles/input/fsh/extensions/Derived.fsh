Extension: Derived
Id: derived
Title: "Derived prediction"
Description: "True of a condition that is worked out from others (instability from its causes) rather than weighed by itself."
Context: RiskAssessment.prediction
* insert Published
* ^purpose = "Such a figure repeats what others say, and a reader who adds evidence up has to know."
* value[x] 1..1
* value[x] only boolean
