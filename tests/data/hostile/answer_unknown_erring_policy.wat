;; An outcome names as erring a policy that the module doesn't have.
;; expect: evaluate: malformed answer: outcome 0 names policy 4294967295, the module has 3
(module
  ;; manifest
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  ;; The result names the list at 64, of 6 words: 0x45474101 1 0 1 0xffffffff 0
  (data (i32.const 8) "\40\00\00\00\06\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\01\00\00\00\ff\ff\ff\ff\00\00\00\00")
)
