// A parameter that has parts instead of a type; each part follows with PartIn.
RuleSet: InParts(name, min, max, documentation)
* parameter[+].name = #{name}
* parameter[=].use = #in
* parameter[=].min = {min}
* parameter[=].max = "{max}"
* parameter[=].documentation = "{documentation}"
