;; Answers the five questions of a job: grants the job, the customer and each form. One question alone it can't answer.
;; expect: evaluate: malformed answer: 4 words are left over
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  ;; Two outcomes, by `grant` and by `elsewhere`; then a point for each question.
  (data (i32.const 8) "\40\00\00\00\0d\00\00\00")
  (data (i32.const 64) "\01\41\47\45\02\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00\01\00\00\00")
)
