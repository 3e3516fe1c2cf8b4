;; Calls a function as one of another type.
;; expect: evaluate: trap in evaluate: indirect call type mismatch
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (table funcref (elem $one))
  (type $none (func))
  (func $one (param i32))
  (func (export "evaluate") (param i32 i32) (result i32) (call_indirect (type $none) (i32.const 0)) (i32.const 8))
)
