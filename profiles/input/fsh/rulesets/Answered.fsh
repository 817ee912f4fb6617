RuleSet: Answered(path, short)
* insert Part({path}, code or decimal, [[{short}]])
* {path}.value[x] from $answer (required)
