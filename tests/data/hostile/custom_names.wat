;; Calls memory, realloc and function by other names: only the lift counts.
;; expect: answers: deny by [], erring []
(component
  (core module $m
    ;; manifest
    (memory (export "m") 1)
    (func (export "memory") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "cabi_realloc") (param i32 i32) (result i32) (i32.const 8))
    (data (i32.const 8) "\40\00\00\00\05\00\00\00")
    (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  )
  (core instance $i (instantiate $m))
  (type $frame (list u64))
  (type $answer (list u32))
  (func $evaluate (param "frame" $frame) (result $answer)
    (canon lift (core func $i "cabi_realloc") (memory $i "m") (realloc (func $i "memory"))))
  (export "evaluate" (func $evaluate))
)
