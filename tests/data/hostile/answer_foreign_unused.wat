;; An outcome with a policy of another question that isn't used.
;; expect: answers: deny by [], erring []
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  ;; The result names the list at 64, of 8 words: 0x45474101 2 0 0 1 0 2 0
  (data (i32.const 8) "\40\00\00\00\08\00\00\00")
  (data (i32.const 64) "\01\41\47\45\02\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00")
)
