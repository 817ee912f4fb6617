Extension: SpineVersusHip
Id: spine-versus-hip
Title: "Spine versus hip"
Description: "The one question many readers come with: how the answers move the balance between spine and hip, in natural log-odds. Above zero speaks for the spine."
Context: RiskAssessment
* insert Published
* ^purpose = "It compares two groups of predictions, so it can belong to neither of them. R4 has no element for reasons of an assessment beyond free text."
* insert Contributions
