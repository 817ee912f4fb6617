RuleSet: Part(path, type, short)
* {path} ^short = "{short}"
* {path}.value[x] 1..1
* {path}.value[x] only {type}
