RuleSet: CodedPart(path, type, valueset, short)
* insert Part({path}, {type}, [[{short}]])
* {path}.value[x] from {valueset} (required)
