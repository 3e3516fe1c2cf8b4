;; Its answer has no outcomes, and a point.
;; expect: evaluate: malformed answer: point 0 of question 0 names outcome 0, the answer has 0
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  ;; The result names the list at 64, of 3 words: 0x45474101 0 0
  (data (i32.const 8) "\40\00\00\00\03\00\00\00")
  (data (i32.const 64) "\01\41\47\45\00\00\00\00\00\00\00\00")
)
