;; A policy of its manifest has a field that nobody knows.
;; expect: load: the manifest can't be read: unknown field `priority`, expected one of `id`, `effect`, `annotations` at line 1 column 167
(module
  ;; manifest {"policies": [{"id": "grant", "effect": "permit", "annotations": {}, "priority": 1}]}
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "evaluate") (param i32 i32) (result i32) (i32.const 8))
  (data (i32.const 8) "\40\00\00\00\05\00\00\00")
  (data (i32.const 64) "\01\41\47\45\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
