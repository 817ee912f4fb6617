RuleSet: PartIn(name, type, min, max, documentation)
* parameter[=].part[+].name = #{name}
* parameter[=].part[=].use = #in
* parameter[=].part[=].min = {min}
* parameter[=].part[=].max = "{max}"
* parameter[=].part[=].documentation = "{documentation}"
* parameter[=].part[=].type = #{type}
