;; Calls an empty place in its table.
;; expect: evaluate: trap in evaluate: uninitialized element
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (table 1 funcref)
  (type $none (func))
  (func (export "evaluate") (param i32 i32) (result i32) (call_indirect (type $none) (i32.const 0)) (i32.const 8))
)
