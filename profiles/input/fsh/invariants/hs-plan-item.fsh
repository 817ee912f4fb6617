Invariant: hs-plan-item
Description: "An item is either proposed, with its text, grade and source, or withheld with a reason."
Expression: "extension.where(url = 'withheld').exists() xor (extension.where(url = 'text').exists() and extension.where(url = 'evidence-grade').exists() and extension.where(url = 'source').exists())"
Severity: #error
