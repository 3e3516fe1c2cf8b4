;; Divides the least number by -1.
;; expect: evaluate: trap in evaluate: integer overflow
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.div_s (i32.const 0x80000000) (i32.const -1)))
)
