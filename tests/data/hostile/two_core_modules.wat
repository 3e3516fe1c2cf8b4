;; Has a second core module.
;; expect: load: expected exactly one core module, found 2
(component
  (core module $m
    ;; manifest
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
    (data (i32.const 8) "\40\00\00\00\05\00\00\00")
    (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  )
  (core instance $i (instantiate $m))
  (core module)
  (type $frame (list u64))
  (type $answer (list u32))
  (func $evaluate (param "frame" $frame) (result $answer)
    (canon lift (core func $i "evaluate") (memory $i "memory") (realloc (func $i "cabi_realloc"))))
  (export "evaluate" (func $evaluate))
)
