// How the answers moved one probability: shared by two extensions, so that both are read by one reader.
RuleSet: Contributions
* extension contains
    prior-log-odds 1..1 and
    posterior-log-odds 1..1 and
    contribution 0..*
* insert Part(extension[prior-log-odds], decimal, [[Natural log-odds before the answers]])
* insert Part(extension[posterior-log-odds], decimal, [[Natural log-odds after them: the prior plus all contributions]])
* extension[contribution] ^short = "What one answer added, strongest first"
* extension[contribution].extension contains
    finding 1..1 and
    value 1..1 and
    log-odds 1..1 and
    row 0..* and
    counted 0..1
* insert CodedPart(extension[contribution].extension[finding], code, $finding, [[The finding]])
* insert Answered(extension[contribution].extension[value], [[Its answer: a code, or the number measured]])
* insert Part(extension[contribution].extension[log-odds], decimal, [[Natural log-odds added; negative speaks against]])
* insert Part(extension[contribution].extension[row], id, [[Row of the knowledge tables the number comes from]])
* insert CodedPart(extension[contribution].extension[counted], code, $counted, [[Present where the answer shares its effect with a nearer one of its group]])
