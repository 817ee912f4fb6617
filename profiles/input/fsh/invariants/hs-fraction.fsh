Invariant: hs-fraction
Description: "A share lies between 0 and 1."
Expression: "$this >= 0 and $this <= 1"
Severity: #error
