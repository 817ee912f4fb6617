Invariant: hs-flip
Description: "A set of results changes the leading pattern or the first referral, not both at once."
Expression: "extension.where(url = 'becomes-pattern' or url = 'becomes-referral').count() = 1"
Severity: #error
