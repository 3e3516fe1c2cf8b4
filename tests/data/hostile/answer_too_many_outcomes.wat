;; It claims an outcome more than there is room for.
;; expect: evaluate: malformed answer: 3 outcomes don't fit into 7 words
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  ;; The result names the list at 64, of 7 words: 0x45474101 3 0 0 0 0 0
  (data (i32.const 8) "\40\00\00\00\07\00\00\00")
  (data (i32.const 64) "\01\41\47\45\03\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
