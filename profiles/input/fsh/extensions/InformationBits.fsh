Extension: InformationBits
Id: information-bits
Title: "Information gained"
Description: "How far the answers moved the source patterns from where they were before, in bits (Kullback-Leibler divergence of the posterior from the prior)."
Context: RiskAssessment
* insert Published
* ^purpose = "A confident answer that the prior alone would have given is another thing than one the findings gave. R4 has no place to tell them apart."
* value[x] 1..1
* value[x] only decimal
