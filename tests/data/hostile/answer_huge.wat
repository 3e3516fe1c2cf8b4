;; Its answer is as long as a number can say.
;; expect: evaluate: the answer has 4294967295 words, at most 4194304 are allowed
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\ff\ff\ff\ff")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
