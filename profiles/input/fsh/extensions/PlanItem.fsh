Extension: PlanItem
Id: plan-item
Title: "Plan item"
Description: "One item of the plan: what is proposed with its evidence, or what is withheld and why."
Context: RiskAssessment
* insert Published
* ^purpose = "RiskAssessment.mitigation is one text. A CarePlan holds the same in full and comes on request; these items are what an answer holds unasked."
* obeys hs-plan-item
* extension contains
    item 1..1 and
    kind 1..1 and
    text 0..1 and
    evidence-grade 0..1 and
    source 0..1 and
    after-screening 0..1 and
    reassess 0..1 and
    dosage 0..1 and
    thinner 0..1 and
    visits 0..1 and
    because 0..* and
    citation 0..1 and
    withheld 0..*
* insert CodedPart(extension[item], Coding, $plan-item, [[The item]])
* insert CodedPart(extension[kind], code, $plan-kind, [[What kind of item it is]])
* insert Part(extension[text], string, [[What to do]])
* insert CodedPart(extension[evidence-grade], code, $evidence-grade, [[How well it is supported]])
* insert Part(extension[source], id, [[Id of the source in the knowledge tables]])
* insert Part(extension[after-screening], string, [[The reserve under which it is given while alarm questions are open]])
* insert Part(extension[reassess], date, [[Day on which to assess again]])
* insert Part(extension[dosage], string, [[How much and how often]])
* insert Part(extension[thinner], string, [[Where the evidence is thinner than the grade says]])
* insert Part(extension[visits], Range, [[How many visits]])
* insert Part(extension[because], string, [[What called for it]])
* insert Part(extension[citation], RelatedArtifact, [[The source as it is cited]])
* insert Part(extension[withheld], string, [[Why it is withheld; present only on items that are]])
