;; Reads past its memory.
;; expect: evaluate: trap in evaluate: out of bounds memory access
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.load (i32.const 65534)))
)
