RuleSet: Published
* ^experimental = false
* ^publisher = "HipSpine"
