;; An outcome names a policy twice.
;; expect: evaluate: malformed answer: outcome 0 names policy 0 after 0: not ascending
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  ;; The result names the list at 64, of 7 words: 0x45474101 1 2 0 0 0 0
  (data (i32.const 8) "\40\00\00\00\07\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
