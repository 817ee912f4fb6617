// A parameter that has parts instead of a type; each part follows with PartOut.
RuleSet: OutParts(name, min, max, documentation)
* parameter[+].name = #{name}
* parameter[=].use = #out
* parameter[=].min = {min}
* parameter[=].max = "{max}"
* parameter[=].documentation = "{documentation}"
