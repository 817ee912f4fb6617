Invariant: hs-percent
Description: "A probability is a percentage from 0 to 100 with at most two decimals."
Expression: "probability >= 0 and probability <= 100 and probability.toString().matches('^[0-9]+([.][0-9][0-9]?)?$')"
Severity: #error
