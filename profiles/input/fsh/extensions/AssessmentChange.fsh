Extension: AssessmentChange
Id: change
Title: "Change since an earlier assessment"
Description: "What changed since the assessment named in parent: each source pattern then and now, and how much each new answer moved the one that leads now."
Context: RiskAssessment
* insert Published
* ^purpose = "RiskAssessment.parent names the earlier assessment, but nothing in R4 says what differs or why."
* extension contains
    since 0..1 and
    pattern 1..* and
    leading 1..1 and
    prior-log-odds 1..1 and
    log-odds 1..1 and
    reason 0..*
* insert Part(extension[since], dateTime, [[When the earlier assessment was made]])
* extension[pattern] ^short = "One source pattern then and now"
* extension[pattern].extension contains
    code 1..1 and
    reported 0..1 and
    now 1..1
* insert CodedPart(extension[pattern].extension[code], Coding, $source-pattern, [[The pattern]])
* insert Part(extension[pattern].extension[reported], decimal, [[Percentage the earlier assessment reported]])
* insert Part(extension[pattern].extension[now], decimal, [[Percentage now]])
* insert CodedPart(extension[leading], code, $source-pattern, [[The pattern that leads now; reasons and log-odds are about it]])
* insert Part(extension[prior-log-odds], decimal, [[Natural log-odds by which age and sex alone moved it]])
* insert Part(extension[log-odds], decimal, [[Natural log-odds by which it moved in all]])
* extension[reason] ^short = "What one answer that changed contributed"
* extension[reason].extension contains
    finding 1..1 and
    before 0..1 and
    after 0..1 and
    log-odds 1..1
* insert CodedPart(extension[reason].extension[finding], code, $finding, [[The finding]])
* insert Answered(extension[reason].extension[before], [[Its answer then; absent if it was not known]])
* insert Answered(extension[reason].extension[after], [[Its answer now; absent if it is not known]])
* insert Part(extension[reason].extension[log-odds], decimal, [[Natural log-odds it moved the leading pattern]])
